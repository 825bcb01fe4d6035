"""Bytes: roots and keys, digests, copies, objects in remote stores, file formats."""
