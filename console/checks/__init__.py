"""What only `provision doctor` looks at, beside what every worker does (`provisioning.checks`)."""
