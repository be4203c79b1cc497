"""The operations of the Step Functions API, one function each, in AWS's shapes."""
