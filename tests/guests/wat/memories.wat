;; Grows several memories in turn: each alone would stay within the limit.
(module
  (memory $a (export "memory") 1)
  (memory $b 1)
  (memory $c 1)
  (memory $d 1)
  (global $top (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "longhaul:plugin/work@0.1.0#run") (param i32) (result i32)
    (loop $again
      (drop (memory.grow $a (i32.const 16)))
      (drop (memory.grow $b (i32.const 16)))
      (drop (memory.grow $c (i32.const 16)))
      (br_if $again (i32.ne (memory.grow $d (i32.const 16)) (i32.const -1))))
    unreachable))
