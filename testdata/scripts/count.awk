# Adds up what scenarios and tables report: the answers that were compared with the host's, and the differences.
/conformance: .* from the host/ {
	for (i = 1; i <= NF; i++) {
		if ($i == "lines" && $(i + 1) == "here,") workerd += $(i - 1)
		if ($i == "from") host += $(i - 1)
		if ($i == "unlisted") unlisted += $(i - 1)
		if ($i == "listed") listed += $(i - 1)
	}
	reports++
}
/configurations compared with wrangler/ { sub(/^.*conformance: /, ""); print }
END {
	printf "%d reports, %d answers of workerd, %d of the host, %d listed differences\n", reports, workerd, host, listed
	printf "conformance: %d compared, %d unlisted differences\n", workerd, unlisted
	if (reports == 0 || unlisted > 0) exit 1
}
