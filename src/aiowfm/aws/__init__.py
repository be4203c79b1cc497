"""The backend on AWS Step Functions, through aioboto3.

Nothing here imports aioboto3 or botocore until a backend opens.
"""

from aiowfm.aws.backend import AwsBackend

__all__ = ["AwsBackend"]
