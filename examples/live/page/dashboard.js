// The plots.
