"""Rows of the aws plugin for threat detection: GuardDuty, Security Hub, Macie, Inspector, Access Analyzer."""

from collections.abc import Mapping
from typing import Any, Final

from local.plugins.aws.aws_api import Cloud
from local.plugins.aws.calls import ApiType, Call, Form, Tags
from local.plugins.aws.ordinary import row
from local.plugins.provider.common import Props
from local.plugins.provider.rows import Row

_DETECTOR: Final = {"DetectorId": "{id}"}
_DETECTOR_ARN: Final = {"ResourceArn": "{arn}"}

DETECTOR: Final = ApiType(
    "aws:guardduty/detector:Detector",
    "guardduty",
    Call("CreateDetector"),
    Call("GetDetector", fixed=_DETECTOR),
    "@",
    "DetectorId",
    changes=(Call("UpdateDetector", frozenset({"enable", "findingPublishingFrequency"}), fixed=_DETECTOR),),
    deletes=(Call("DeleteDetector", fixed=_DETECTOR),),
    reads={"enable": "Status"},
    derived={"accountId": "{account}", "arn": "arn:{partition}:guardduty:{region}:{account}:detector/{id}"},
    forms={"enable": Form(lambda value: value, lambda text: text == "ENABLED")},
    filled=frozenset({"findingPublishingFrequency"}),
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_DETECTOR_ARN),
        Call("UntagResource", frozenset(), fixed=_DETECTOR_ARN),
    ),
)

_FEATURE_PLACES: Final = {
    "name": "Features[0].Name",
    "status": "Features[0].Status",
    "additionalConfigurations": "Features[0].AdditionalConfiguration",
}
FEATURE: Final = ApiType(
    "aws:guardduty/detectorFeature:DetectorFeature",
    "guardduty",
    Call("UpdateDetector", names={"detectorId": "DetectorId", **_FEATURE_PLACES}),
    Call("GetDetector", fixed={"DetectorId": "{detectorId}"}),
    "Features[?Name=='{name}'] | [0]",
    "{detectorId}/{name}",
    changes=(
        Call(
            "UpdateDetector",
            frozenset({"status", "additionalConfigurations"}),
            names=_FEATURE_PLACES,
            fixed={"DetectorId": "{detectorId}", "Features[0].Name": "{name}"},
        ),
    ),
    reads={
        "detectorId": "",
        "name": "Name",
        "status": "Status",
        "additionalConfigurations": "AdditionalConfiguration",
    },
)

HUB: Final = ApiType(
    "aws:securityhub/account:Account",
    "securityhub",
    Call("EnableSecurityHub"),
    Call("DescribeHub"),
    "@",
    "{account}",
    changes=(Call("UpdateSecurityHubConfiguration"),),
    deletes=(Call("DisableSecurityHub"),),
    reads={"enableDefaultStandards": ""},
    filled=frozenset({"controlFindingGenerator"}),
    outputs={"arn": "HubArn"},
)

STANDARDS: Final = ApiType(
    "aws:securityhub/standardsSubscription:StandardsSubscription",
    "securityhub",
    Call("BatchEnableStandards", names={"standardsArn": "StandardsSubscriptionRequests[0].StandardsArn"}),
    Call("GetEnabledStandards", fixed={"StandardsSubscriptionArns": ["{id}"]}),
    "StandardsSubscriptions[0]",
    "StandardsSubscriptions[0].StandardsSubscriptionArn",
    deletes=(Call("BatchDisableStandards", fixed={"StandardsSubscriptionArns": ["{id}"]}),),
    reads={"standardsArn": "StandardsArn"},
)

MACIE: Final = ApiType(
    "aws:macie2/account:Account",
    "macie2",
    Call("EnableMacie"),
    Call("GetMacieSession"),
    "@",
    "{account}",
    changes=(Call("UpdateMacieSession"),),
    deletes=(Call("DisableMacie"),),
    filled=frozenset({"findingPublishingFrequency", "status"}),
    outputs={"createdAt": "createdAt", "serviceRole": "serviceRole", "updatedAt": "updatedAt"},
)


def _enabler(inputs: Props) -> str:
    return f"{':'.join(sorted(inputs['accountIds']))}-{':'.join(sorted(inputs['resourceTypes']))}"


def _switched_on(state: Mapping[str, Any]) -> list[str]:
    words = {"ec2": "EC2", "ecr": "ECR", "lambda": "LAMBDA", "lambdaCode": "LAMBDA_CODE"}
    return [words[name] for name, feature in state.items() if name in words and feature["status"] == "ENABLED"]


INSPECTOR: Final = ApiType(
    "aws:inspector2/enabler:Enabler",
    "inspector2",
    Call("Enable"),
    Call("BatchGetAccountStatus", fixed={"accountIds": "{accountIds}"}),
    "accounts[0]",
    _enabler,
    deletes=(Call("Disable", fixed={"accountIds": "{accountIds}", "resourceTypes": "{resourceTypes}"}),),
    reads={"accountIds": "", "resourceTypes": "resourceState"},
    forms={"resourceTypes": Form(lambda value: value, _switched_on)},
)

_ANALYZER_ARN: Final = {"resourceArn": "{arn}"}
ANALYZER: Final = ApiType(
    "aws:accessanalyzer/analyzer:Analyzer",
    "accessanalyzer",
    Call("CreateAnalyzer"),
    Call("GetAnalyzer", fixed={"analyzerName": "{id}"}),
    "analyzer",
    "{analyzerName}",
    deletes=(Call("DeleteAnalyzer", fixed={"analyzerName": "{id}"}),),
    reads={"analyzerName": "name"},
    derived={"arn": "arn:{partition}:access-analyzer:{region}:{account}:analyzer/{analyzerName}"},
    tags=Tags(
        Call("TagResource", frozenset(), fixed=_ANALYZER_ARN),
        Call("UntagResource", frozenset(), fixed=_ANALYZER_ARN),
        sent="tags",
        into="tags",
        out="tagKeys",
        shown="tags",
    ),
)

ROWS: Final[tuple[Row[Cloud], ...]] = (
    row(DETECTOR, defaults={"enable": True}, unsupported={"datasources": "declare DetectorFeatures"}),
    row(FEATURE, required=("detectorId", "name", "status"), unordered=frozenset({"additionalConfigurations"})),
    row(HUB, defaults={"autoEnableControls": True, "enableDefaultStandards": True}),
    row(STANDARDS, required=("standardsArn",)),
    row(MACIE),
    row(
        INSPECTOR,
        required=("accountIds", "resourceTypes"),
        unordered=frozenset({"accountIds", "resourceTypes"}),
        # Disabling what the old resource enabled would undo the new one.
        delete_before_replace=True,
    ),
    row(ANALYZER, required=("analyzerName",), defaults={"type": "ACCOUNT"}),
)
