"""Which replicas train together, which of them this is, and the engines that do it."""
