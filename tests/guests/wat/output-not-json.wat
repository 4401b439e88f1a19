;; Puts out a text that is no JSON.
(module
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (data (i32.const 64) "{\"n\": 123")
  ;; At 16: ok, completed, and where the text is.
  (func (export "longhaul:plugin/work@0.1.0#run") (param i32) (result i32)
    (i32.store (i32.const 28) (i32.const 64))
    (i32.store (i32.const 32) (i32.const 9))
    (i32.const 16)))
