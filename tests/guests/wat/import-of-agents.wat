;; A strategy that imports what agents alone may have.
(component
  (import "longhaul:plugin/exec@0.1.0" (instance $exec (export "run" (func))))
  (instance $strategy)
  (export "longhaul:plugin/recovery@0.1.0" (instance $strategy)))
