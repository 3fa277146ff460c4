"""The web console on a large ledger: `script/measure-console`."""
