"""What is a fact? (什么是一条事实) The master schema, code sets, identifiers, values and addresses; knows nothing of the other rooms."""
