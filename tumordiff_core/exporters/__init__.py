"""Kinds of export, one file each, and the gate before them; each has Options, check and write."""
