"""What ``python -m applet_sdk.build`` does; nothing here gets into a component."""
