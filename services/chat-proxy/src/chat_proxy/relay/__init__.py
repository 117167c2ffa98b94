"""The model relay: an OpenAI-compatible endpoint for sandboxes that adds the owner's real key.

Anything in a sandbox can be read by its agent, so a provider's key never goes there. The agent
calls this process with a token that is worth nothing outside its sandbox; the owner's settings
decide provider and model, whatever the request says.
"""
