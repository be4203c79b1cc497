"""IAM policies for those who take part: generated from what an application has."""

from aiowfm.iam.documents import Document, policy_length
from aiowfm.iam.policies import Policies, policies_for
from aiowfm.iam.resources import Place

__all__ = ["Document", "Place", "Policies", "policies_for", "policy_length"]
