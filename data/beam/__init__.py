"""Data on Apache Beam: the commands' work shared out to many machines by --runner.

Beam is imported where it is used, so that everything can be imported without it.
"""
