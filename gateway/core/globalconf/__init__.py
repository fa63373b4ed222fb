"""Global configuration: values, their XML, the signed directory that vouches for it, and the rules by which it is believed."""
