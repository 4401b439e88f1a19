;; An agent for an interface of another time.
(component
  (instance $agent)
  (export "longhaul:plugin/work@0.2.0" (instance $agent)))
