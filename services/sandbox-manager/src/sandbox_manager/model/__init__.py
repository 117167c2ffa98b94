"""Pure rules: the pool states, the plan, what a launch records, what a sandbox's config says."""
