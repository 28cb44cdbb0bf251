"""What control operations read from and write to the wire: XML, names, checksums. Values in, values out; no I/O."""
