"""One module for each kind of integration, each with one class that fulfils `connectors.base.Connector`."""
