;; Imports a function of the host with another type than it has.
(component
  (import "longhaul:plugin/context@0.1.0" (instance $context
    (export "progress" (func (param "done" string) (result string)))))
  (instance $agent)
  (export "longhaul:plugin/work@0.1.0" (instance $agent)))
