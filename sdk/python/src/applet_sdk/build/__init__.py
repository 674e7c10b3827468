"""Builds applets: ``python -m applet_sdk.build``, in a folder with a manifest and a module that has hooks."""
