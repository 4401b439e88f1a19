;; Exports the interface of an agent with nothing in it.
(component
  (instance $agent)
  (export "longhaul:plugin/work@0.1.0" (instance $agent)))
