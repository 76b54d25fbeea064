"""What goes over the wire, row by row of the checklist: test ids carry the row."""
