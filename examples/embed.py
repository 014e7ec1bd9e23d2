"""Connectors inside an application: from a topic of the embedded broker into files, in ten lines."""

import asyncio
import sys

from streamhouse_connect import NewRecords, SqliteBroker, Worker


async def main(directory: str) -> None:
    """Append three orders and wait until they are in files below `directory`."""
    async with Worker(SqliteBroker(f"{directory}/data")) as worker:
        await worker.broker.create_topic("orders")
        await worker.broker.append("orders", NewRecords(values=[b'{"id": 1}', b'{"id": 2}', b'{"id": 3}']))
        await worker.create(
            {
                "name": "orders-to-files",
                "connectorClass": "file-sink",
                "topics": ["orders"],
                "config": {"file.path": f"{directory}/out"},
            }
        )
        await worker.drained("orders-to-files")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
