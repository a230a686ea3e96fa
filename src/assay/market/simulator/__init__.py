"""A mock market of perpetuals with a planted signal: what can be attained on it is known."""

from assay.market.simulator.design import Design, design
from assay.market.simulator.market import Market, simulate
from assay.market.simulator.oracle import Ceiling, Classes, oracle
from assay.market.simulator.rule import Form, MarketRule

__all__ = ["Ceiling", "Classes", "Design", "Form", "Market", "MarketRule", "design", "oracle", "simulate"]
