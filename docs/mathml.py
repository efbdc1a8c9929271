"""Mathematics as MathML, which browsers draw by themselves: no script, no font, no network."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx


def _draw(display: str):
    def visit(writer, node: nodes.Element) -> None:
        writer.body.append(convert(node.astext(), display=display))
        raise nodes.SkipNode

    return visit


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer `mathml` to Sphinx."""
    app.add_html_math_renderer("mathml", (_draw("inline"), None), (_draw("block"), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
