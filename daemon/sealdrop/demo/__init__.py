"""The demonstration: the whole product on real parts in one temporary folder, without root and without a trace.

keys       throw-away OpenPGP keys, and opening a sealed file as the recipient would
far_end    an SFTP server on loopback: OpenSSH's sshd where there is one, else an embedded one
files      one good file of each kind, and a bad one
story      what happens, told while it happens
"""
