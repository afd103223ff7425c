# Adds up what the scenarios report: the lines that were compared with the host's, and the differences.
/conformance: .* from the host/ {
	for (i = 1; i <= NF; i++) {
		if ($i == "lines" && $(i + 1) == "here,") workerd += $(i - 1)
		if ($i == "from") host += $(i - 1)
		if ($i == "unlisted") unlisted += $(i - 1)
		if ($i == "listed") listed += $(i - 1)
	}
	scenarios++
}
END {
	printf "conformance: %d scenarios, %d compared (%d on the host), %d unlisted differences, %d listed\n", scenarios, workerd, host, unlisted, listed
	if (scenarios == 0 || unlisted > 0) exit 1
}
