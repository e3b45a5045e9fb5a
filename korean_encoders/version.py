"""The version of the packages of this project."""

__version__ = "0.2.0"
