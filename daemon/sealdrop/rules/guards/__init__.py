"""Guards: what no column and no single cell can tell, and a person should decide.

changes      an ADT file against what was sent or goes ahead of it, threshold by threshold
thresholds   what is unusual in one row of an ADT file
releases     what an Exit Quarantine file lets go
references   communications that no imported report names
reading      the few columns that they need, of files that may be years old
merging      findings and changes of guards into the rules' verdict

A guard holds or warns, as the profile's ``[guards]`` says; it never rejects. Integers only, no clock, no files.
"""
