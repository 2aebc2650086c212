"""The packages that this Debian has: (name, one line, the long description) each.
A text of half a megabyte or more that is on every such machine."""
import pathlib


def packages(status=pathlib.Path("/var/lib/dpkg/status")):
    found = []
    for entry in status.read_text(encoding="utf-8").split("\n\n"):
        name, lines = "", []
        for line in entry.split("\n"):
            if line.startswith("Package: "):
                name = line[len("Package: "):]
            elif line.startswith("Description: "):
                lines = [line[len("Description: "):]]
            elif lines and line.startswith(" "):
                lines.append("" if line == " ." else line[1:])
            elif lines:
                break
        if len(lines) > 1:
            found.append((name, lines[0], "\n".join(lines[1:])))
    return found
