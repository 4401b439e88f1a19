;; Exports nothing, so it is no plugin.
(component)
