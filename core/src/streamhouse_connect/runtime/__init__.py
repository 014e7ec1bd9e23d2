"""The runtime: what happens between a topic and a destination."""

from streamhouse_connect.runtime.info import ConnectorInfo, PartitionInfo, TaskInfo
from streamhouse_connect.runtime.states import State
from streamhouse_connect.runtime.uses import check_topic_unused
from streamhouse_connect.runtime.worker import Worker

__all__ = ["ConnectorInfo", "PartitionInfo", "State", "TaskInfo", "Worker", "check_topic_unused"]
