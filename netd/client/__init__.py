"""netd-chat, the terminal client."""
