"""State machines as pictures: from the States Language to Mermaid and to DOT. No I/O."""

from aiowfm.graphs.chart import Chart, Group, chart_of
from aiowfm.graphs.dot import as_dot
from aiowfm.graphs.mermaid import as_mermaid

__all__ = ["Chart", "Group", "as_dot", "as_mermaid", "chart_of"]
