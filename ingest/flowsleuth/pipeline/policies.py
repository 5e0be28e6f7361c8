"""What the configuration says of exporters, by the streams that the decoder has met."""

from collections.abc import Mapping

from flowsleuth.config import Config
from flowsleuth.decode.sessions import Streams
from flowsleuth.enrich.counting import Policy

_NOTHING = Policy()


class Policies:
    """Policies by stream index, looked up once for each stream."""

    def __init__(self, config: Config) -> None:
        self._exporters = {str(address): about for address, about in config.exporters.items()}
        self._found: dict[int, Policy] = {}
        self._known = 0

    def of(self, streams: Streams) -> Mapping[int, Policy]:
        """Return the policies of all streams so far of which the configuration says something."""
        for index in range(self._known, len(streams)):
            about = self._exporters.get(streams.table[index].exporter)
            if about is not None:
                policy = Policy(about.sampling or 0, about.count)
                if policy != _NOTHING:
                    self._found[index] = policy
        self._known = len(streams)
        return self._found
