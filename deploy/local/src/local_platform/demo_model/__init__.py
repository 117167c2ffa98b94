"""The demo model: a scripted provider, no real model, with the wire of chat completions.

It makes the first run alive without a key. A request is read into a `Conversation`; what answers
it is decided in one of three places: `auxiliary` (the agent's own small calls, such as titles),
`scripted` (markers in the prompt) or `demonstration` (a skill is tried with the agent's own
tools). All three are pure; `app` and `wire` speak HTTP.
"""
