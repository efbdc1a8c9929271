"""How a net learns: one rule a file, `rule(net, loss) -> (params, sequence) -> Learned`."""
