"""The network between nodes: each link goes through a port here, which can hold, slow and end what passes. No root is needed.

What is held arrives when the link is whole again, as TCP brings it when lost packets are sent anew."""
import asyncio
import collections
import contextlib
import threading

PIECE_BYTES = 256 * 1024
PIECES_UNDER_WAY = 64
# A node that is not there is asked again at once, and each time says so in its log.
REFUSAL_SECONDS = 0.3


class Links:
    """Threads:  methods are for any; a thread of its own moves the bytes."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.open = {}
        self.delays = collections.defaultdict(float)
        self.connections = collections.defaultdict(set)
        self.servers = []
        self.thread = threading.Thread(target=self.loop.run_forever, name="links", daemon=True)
        self.thread.start()

    def add(self, dialler: int, target: int, port: int, target_port: int):
        """Node `dialler` reaches `target`, which listens on `target_port`, at `port`."""
        async def add():
            for way in ((dialler, target), (target, dialler)):
                if way not in self.open:
                    self.open[way] = asyncio.Event()
                    self.open[way].set()
            self.servers.append(await asyncio.start_server(
                lambda reader, writer: self.carry(dialler, target, target_port, reader, writer), "127.0.0.1", port))
        asyncio.run_coroutine_threadsafe(add(), self.loop).result(10)

    def close(self):
        async def end():
            for server in self.servers:
                server.close()
            for tasks in self.connections.values():
                for task in tasks:
                    task.cancel()
            await asyncio.sleep(0)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def hold(self, source: int, target: int):
        """Nothing that `source` sends reaches `target`."""
        self.loop.call_soon_threadsafe(self.open[source, target].clear)

    def slow(self, source: int, target: int, seconds: float):
        self.loop.call_soon_threadsafe(self.delays.__setitem__, (source, target), seconds)

    def end_connections(self, one: int, other: int):
        def end():
            for task in [*self.connections[one, other], *self.connections[other, one]]:
                task.cancel()
        self.loop.call_soon_threadsafe(end)

    def heal(self):
        def open_all():
            self.delays.clear()
            for gate in self.open.values():
                gate.set()
        self.loop.call_soon_threadsafe(open_all)

    async def carry(self, dialler: int, target: int, target_port: int, reader, writer):
        """One connection, until either side ends it."""
        task = asyncio.current_task()
        self.connections[dialler, target].add(task)
        out = None
        try:
            await self.open[dialler, target].wait()
            back, out = await asyncio.open_connection("127.0.0.1", target_port)
            ways = [asyncio.create_task(self.move((dialler, target), reader, out)), asyncio.create_task(self.move((target, dialler), back, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(REFUSAL_SECONDS)
        except asyncio.CancelledError:
            pass
        finally:
            self.connections[dialler, target].discard(task)
            for end in (writer, out):
                if end is not None:
                    end.transport.abort()

    async def move(self, way: tuple[int, int], reader, writer):
        """Bytes in one direction: read at once, written when they are due and the way is open."""
        pieces = asyncio.Queue(PIECES_UNDER_WAY)

        async def take():
            while piece := await reader.read(PIECE_BYTES):
                await pieces.put((self.loop.time() + self.delays[way], piece))
            await pieces.put((0, b""))

        taking = asyncio.create_task(take())
        try:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0, due - self.loop.time()))
                await self.open[way].wait()
                if not piece:
                    return
                writer.write(piece)
                await writer.drain()
        except OSError:
            return
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
