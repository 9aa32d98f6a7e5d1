"""Cedar's extension types and their functions: decimal, ipaddr, datetime, duration."""

from pdp.cedar.ext.functions import FUNCTIONS, ExtensionFunction, Style, call

__all__ = ["FUNCTIONS", "ExtensionFunction", "Style", "call"]
