"""The room: an IRC server without input or output.

`Room` takes lines and the time and gives effects; a listener carries them out.
"""
