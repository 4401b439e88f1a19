;; Grows a table until growing fails, and then traps, as a program does that cannot go on.
(module
  (memory (export "memory") 1)
  (table $all 0 funcref)
  (global $top (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "longhaul:plugin/work@0.1.0#run") (param i32) (result i32)
    (loop $again
      (br_if $again (i32.ne (table.grow $all (ref.null func) (i32.const 1000)) (i32.const -1))))
    unreachable))
