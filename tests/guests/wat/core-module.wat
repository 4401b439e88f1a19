;; A core module, and no component: to be given to the host as it is.
(module
  (memory (export "memory") 1)
  (func (export "run")))
