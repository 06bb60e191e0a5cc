# SPDX-License-Identifier: MIT
# From apt sources, in both their formats: the Signed-By of the first entry for -v uri=…, as a deb822 field.

function plain(word) { sub(/\/+$/, "", word); return word }

function flush_stanza() {
  if (wanted && signed != "" && !done) { print signed; done = 1 }
  wanted = 0; signed = ""; field = ""
}

/^[ \t]*$/ { flush_stanza(); next }
/^#/ { next }

# deb [option=… signed-by=FILE] URI SUITE COMPONENT…
/^deb(-src)?[ \t]/ {
  by = ""; there = 0
  for (i = 2; i <= NF; i++) {
    word = $i
    gsub(/^\[|\]$/, "", word)
    if (tolower(word) ~ /^signed-by=/) by = substr(word, 11)
    if (plain(word) == uri) there = 1
  }
  if (there && by != "" && !done) { gsub(/,/, " ", by); print "Signed-By: " by; done = 1 }
  next
}

# Field: value, a value going on in lines that start with a space (as a key in the file itself does)
/^[^ \t]/ { field = tolower($1) }
field == "uris:" { for (i = 1; i <= NF; i++) if (plain($i) == uri) wanted = 1 }
field == "signed-by:" { signed = signed == "" ? $0 : signed "\n" $0 }

END { flush_stanza() }
