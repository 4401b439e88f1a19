;; Imports what no host should have.
(component
  (import "evil:host/root@1.0.0" (instance (export "become" (func)))))
