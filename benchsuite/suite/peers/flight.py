"""Arrow Flight as pyarrow ships it: what people would use between machines without Redis.

    flight serve FILE     holds the table in memory, prints its port, serves until it is ended
    flight read PORT
"""

import sys
import time

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.ipc as ipc

from suite.peers.answer import answer

HOST = "127.0.0.1"
TICKET = flight.Ticket(b"table")


class Server(flight.FlightServerBase):
    def __init__(self, table):
        super().__init__(f"grpc://{HOST}:0")
        self.table = table

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


def serve(path):
    with pa.OSFile(path) as source:
        server = Server(ipc.open_file(source).read_all())
    print(server.port, flush=True)
    server.serve()


def read(port):
    start = time.perf_counter()
    with flight.connect(f"grpc://{HOST}:{port}") as client:
        table = client.do_get(TICKET).read_all()
        seconds = time.perf_counter() - start
    answer(seconds, table.num_rows, table.nbytes)


def main():
    match sys.argv[1:]:
        case ["serve", path]:
            serve(path)
        case ["read", port]:
            read(port)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
