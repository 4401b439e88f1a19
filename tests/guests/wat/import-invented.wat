;; Imports a function that an interface of the host does not have.
(component
  (import "longhaul:plugin/context@0.1.0" (instance $context (export "become-root" (func))))
  (instance $agent)
  (export "longhaul:plugin/work@0.1.0" (instance $agent)))
