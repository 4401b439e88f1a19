;; Spins when the host asks for room for the arguments, in the middle of a call of the host's own making.
(module
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (loop $again (br $again))
    (i32.const 1024))
  (func (export "longhaul:plugin/work@0.1.0#run") (param i32) (result i32) (i32.const 16)))
