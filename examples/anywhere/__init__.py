"""The same program in memory, in a file, or on AWS: the environment alone decides.

`make anywhere`, or `python -m examples.anywhere`, with none of these or some:

    AIOWFM_LOCAL_PATH=workflows.db          in a file
    AIOWFM_BACKEND=aws                      on AWS, with the two that it needs:
    AIOWFM_AWS_REGION=eu-central-1
    AIOWFM_AWS_ROLE_ARN=arn:aws:iam::123456789012:role/workflows

Credentials, and AWS_ENDPOINT_URL for an emulator, are found as in any program for AWS.
"""
