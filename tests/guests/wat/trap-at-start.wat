;; Traps in its start function, before anything is called.
(module
  (memory (export "memory") 1)
  (func $trap unreachable)
  (start $trap)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "longhaul:plugin/work@0.1.0#run") (param i32) (result i32) (i32.const 0)))
