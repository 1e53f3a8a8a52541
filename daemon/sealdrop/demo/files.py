"""The files of the demonstration: one good file of each kind, and one that a spreadsheet and a tired person made."""

from __future__ import annotations

OWN = "90-B3-D5-1F-30-01-00-00"
DEVICE = "90-B3-D5-1F-30-00-00-02"

ADT = f"""\
user_id,srv,warning_threshold,quarantine_threshold
{OWN},1.5,800,1000
{OWN},7.4,40,50
{OWN},8.1.1,300,400
"""

EXIT_QUARANTINE = f"""\
quarantine_event_ref,request_id,action
40712,{OWN}:{DEVICE}:1000,RELEASE
40712,{OWN}:{DEVICE}:1001,DELETE
"""

# A warning threshold above the quarantine threshold, a User ID with a character missing, and a decimal.
BAD_ADT = f"""\
user_id,srv,warning_threshold,quarantine_threshold
{OWN},1.5,1000,800
{OWN[:-1]},7.4,40,50
{OWN},8.1.1,3e2,400
"""
