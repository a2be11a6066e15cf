"""The chart: a panel for each work, a bar for each peer, as SVG that needs nothing else.

Its colours follow the viewer's preference for light or dark, on a ground of its own.
"""

from html import escape

from suite import plan
from suite.report import TABLE_WORK, is_peer

WIDTH = 960
COLUMNS = 2
MARGIN = 28
GAP = 40
PANEL = (WIDTH - 2 * MARGIN - GAP) // COLUMNS
HEADER = 88
TITLE = 34
ROW = 26
BAR = 16
NAMES = 152
FIGURES = 112
PANELS = [*TABLE_WORK, "split 4,000 chunks", "read 4,000 chunks", "gen zstd", "gen uncompressed"]
PANELS += ["split to zstd"]
# One bound to a panel: the best of its settings.
SHORT = {plan.DISK_MAPPED: "file, mapped", plan.DISK_PLAIN: "file, read"}

STYLE = """
  .ground { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif }
  .title { font-size: 20px; font-weight: 600 } .work { font-size: 15px; font-weight: 600 }
  .quiet { fill: #59636e } .ours { fill: #b3261e } .peer { fill: #7b8794 } .bound { fill: #c9d1d9 }
  .strong { font-weight: 600 } .line { stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .ours { fill: #ff7b72 } .peer { fill: #768390 } .bound { fill: #3d444d } .line { stroke: #3d444d }
  }
"""


def chart(found):
    panels = [(work, bars(found["summary"][work])) for work in PANELS if work in found["summary"]]
    shapes, bottom = [], HEADER
    for at in range(0, len(panels), COLUMNS):
        row = panels[at : at + COLUMNS]
        for column, (work, lines) in enumerate(row):
            x = MARGIN + column * (PANEL + GAP)
            shapes += _panel(x, bottom, work, lines)
        bottom += TITLE + ROW * max(len(lines) for _, lines in row) + GAP // 2
    return _document(bottom, _header(found) + shapes)


def bars(peers):
    """Name, figures and kind of each bar, fastest first; of bounds only the best of each."""
    chosen = {}
    for peer, figures in peers.items():
        if peer == plan.OURS or is_peer(peer):
            chosen[peer] = (SHORT.get(peer, peer), figures, "ours" if peer == plan.OURS else "peer")
        elif not peer.startswith(plan.OVERWRITE):
            kind = next(bound for bound in plan.BOUNDS if peer.startswith(bound))
            if kind not in chosen or figures["seconds"] < chosen[kind][1]["seconds"]:
                chosen[kind] = (kind, figures, "bound")
    return sorted(chosen.values(), key=lambda bar: bar[1]["seconds"])


def _header(found):
    machine, versions = found["machine"], found["versions"]
    server = next(name for name in versions if name.endswith("-server"))
    about = f"{machine['cpu']}, {machine['cores']} cores; {server} {versions[server]} on the same machine"
    what = "Seconds, shorter is better. × says how many times as long as ArrowRedis it takes."
    return [
        _text(MARGIN, 34, "ArrowRedis side by side: 3,200,000 rows, 228 MB of Arrow", "title"),
        _text(MARGIN, 56, what, "quiet"),
        _text(MARGIN, 74, f"{about}; median of {found['rounds']}, each in a fresh process", "quiet"),
    ]


def _panel(x, y, work, lines):
    longest = max(figures["seconds"] for _, figures, _ in lines)
    room = PANEL - NAMES - FIGURES
    shapes = [
        _text(x, y + 18, work, "work"),
        f'<line class="line" x1="{x + NAMES}" x2="{x + NAMES}" y1="{y + TITLE - 6}" '
        f'y2="{y + TITLE + ROW * len(lines) - 4}"/>',
    ]
    for at, (name, figures, kind) in enumerate(lines):
        top = y + TITLE + at * ROW
        length = max(1, round(room * figures["seconds"] / longest, 1))
        strong = "strong" if kind == "ours" else "quiet" if kind == "bound" else ""
        figure = f"{figures['seconds']:.3f} s"
        if kind != "ours" and figures["times_ours"] is not None:
            figure += f" · {figures['times_ours']:.2f}×"
        shapes += [
            _text(x + NAMES - 8, top + 12, name, strong, anchor="end"),
            f'<rect class="{kind}" x="{x + NAMES}" y="{top}" width="{length}" height="{BAR}" rx="2"/>',
            _text(x + NAMES + length + 6, top + 12, figure, strong),
        ]
    return shapes


def _text(x, y, text, style="", anchor="start"):
    return f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _document(height, shapes):
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>Seconds that each peer takes for the same work</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}"/>',
        *shapes,
        "</svg>",
        "",
    ])
