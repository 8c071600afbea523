"""The networks against published counts, names and shapes, and their blocks against plain NumPy."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import networks
import reference_networks
from engines.mxnet.library import mx
from networks.shapes import TooSmallError

PUBLISHED_CLASSES = 5270


class Size(NamedTuple):
    """What a network holds: arrays and values of arguments and of moving statistics, and features before `fc`."""

    arguments: int
    auxiliaries: int
    values: int  # of the arguments with 1,000 classes
    moving_values: int
    features: int


# Shape inference on the public symbols (MXNet 0.12's resnext.py, cypw/DPNs, bruinxiong/densenet.mxnet) and on the
# published solution's. The papers round the same figures: ResNeXt-101 44.2 and 83.5 million (arXiv:1611.05431, code),
# DPN-92 37.7, DPN-98 61.6, DPN-131 79.3 (arXiv:1707.01629, table 1), DPN-107 86.9 (size of its checkpoint),
# DenseNet-161 28.7 (arXiv:1608.06993, code); SE adds two biased layers per unit (arXiv:1709.01507). EfficientNet-Lite:
# 4.7, 5.4, 6.1, 8.2 and 13.0 million in TensorFlow's table; exact counts are those of efficientnet_lite_pytorch.
SIZES = {
    "resnext-101-32x4d": Size(316, 210, 44_177_710, 137_862, 2048),
    "resnext-101-64x4d": Size(316, 210, 83_455_278, 202_886, 2048),
    "se-resnext-101-64x4d": Size(448, 210, 88_232_990, 202_886, 2048),
    "dpn-92": Size(289, 192, 37_668_392, 125_216, 2688),
    "dpn-98": Size(307, 204, 61_570_728, 164_896, 2688),
    "dpn-107": Size(334, 222, 86_917_800, 213_824, 2688),
    "dpn-131": Size(406, 270, 79_254_504, 223_360, 2688),
    "densenet-161": Size(486, 324, 28_681_006, 219_942, 2208),
    "efficientnet-lite0": Size(149, 98, 4_652_008, 42_016, 1280),
    "efficientnet-lite1": Size(194, 128, 5_416_680, 53_664, 1280),
    "efficientnet-lite2": Size(194, 128, 6_092_072, 58_096, 1280),
    "efficientnet-lite3": Size(221, 146, 8_197_096, 76_672, 1280),
    "efficientnet-lite4": Size(275, 182, 13_006_568, 112_368, 1280),
}

# Arrays whose shapes tell the variants apart, with 5,270 classes.
ARRAYS = {
    "resnext-101-32x4d": {
        "bn_data_gamma": (3,),
        "conv0_weight": (64, 3, 7, 7),
        "stage1_unit1_conv1_weight": (128, 64, 1, 1),
        "stage1_unit1_conv2_weight": (128, 4, 3, 3),
        "stage1_unit1_sc_weight": (256, 64, 1, 1),
        "stage1_unit1_sc_bn_gamma": (256,),
        "stage3_unit23_conv2_weight": (512, 16, 3, 3),
        "stage4_unit3_conv2_weight": (1024, 32, 3, 3),
        "stage4_unit3_bn3_moving_var": (2048,),
        "fc_weight": (5270, 2048),
    },
    "resnext-101-64x4d": {
        "stage1_unit1_conv1_weight": (256, 64, 1, 1),
        "stage1_unit1_conv2_weight": (256, 4, 3, 3),
        "stage2_unit1_conv2_weight": (512, 8, 3, 3),
        "stage3_unit23_conv2_weight": (1024, 16, 3, 3),
        "stage4_unit3_conv2_weight": (2048, 32, 3, 3),
    },
    "se-resnext-101-64x4d": {
        "stage1_unit1_excitation1_weight": (16, 256),
        "stage1_unit1_excitation1_bias": (16,),
        "stage1_unit1_excitation2_weight": (256, 16),
        "stage1_unit1_excitation2_bias": (256,),
        "stage2_unit1_excitation1_weight": (32, 512),
        "stage3_unit1_excitation1_weight": (64, 1024),
        "stage4_unit3_excitation2_weight": (2048, 128),
    },
    "dpn-92": {
        "conv1_x_1__conv_weight": (64, 3, 7, 7),
        "conv1_x_1__relu-sp__bn_gamma": (64,),
        "conv2_x__1_c1x1-w(s/1)__conv_weight": (288, 64, 1, 1),
        "conv2_x__1_c1x1-a__bn__bn_gamma": (64,),
        "conv2_x__1_c1x1-a__conv_weight": (96, 64, 1, 1),
        "conv2_x__1_c3x3-b__conv_weight": (96, 3, 3, 3),
        "conv2_x__1_c1x1-c__conv_weight": (272, 96, 1, 1),
        "conv3_x__1_c1x1-w(s/2)__conv_weight": (576, 336, 1, 1),
        "conv4_x__1_c1x1-w(s/2)__conv_weight": (1072, 704, 1, 1),
        "conv5_x__1_c1x1-w(s/2)__conv_weight": (2304, 1552, 1, 1),
        "conv5_x__3_c3x3-b__conv_weight": (768, 24, 3, 3),
        "conv5_x_x__relu-sp__bn_moving_mean": (2688,),
        "fc_bias": (5270,),
    },
    "dpn-98": {
        "conv4_x__1_c1x1-w(s/2)__conv_weight": (1088, 768, 1, 1),
        "conv5_x__1_c1x1-w(s/2)__conv_weight": (2304, 1728, 1, 1),
        "conv5_x__3_c3x3-b__conv_weight": (1280, 32, 3, 3),
    },
    "dpn-107": {
        "conv2_x__1_c1x1-w(s/1)__conv_weight": (296, 128, 1, 1),
        "conv2_x__1_c3x3-b__conv_weight": (200, 4, 3, 3),
        "conv3_x__1_c1x1-w(s/2)__conv_weight": (640, 376, 1, 1),
        "conv5_x__1_c1x1-w(s/2)__conv_weight": (2304, 2432, 1, 1),
        "conv5_x__3_c3x3-b__conv_weight": (1600, 32, 3, 3),
    },
    "dpn-131": {
        "conv2_x__1_c1x1-a__conv_weight": (160, 128, 1, 1),
        "conv3_x__1_c1x1-w(s/2)__conv_weight": (576, 352, 1, 1),
        "conv5_x__1_c1x1-w(s/2)__conv_weight": (2304, 1984, 1, 1),
    },
    "densenet-161": {
        "conv0_weight": (96, 3, 7, 7),
        "bn0_gamma": (96,),
        "DBstage1_unit1_conv1_weight": (192, 96, 1, 1),
        "DBstage1_unit1_conv2_weight": (48, 192, 3, 3),
        "TBstage1_conv1_weight": (192, 384, 1, 1),
        "TBstage2_conv1_weight": (384, 768, 1, 1),
        "TBstage3_conv1_weight": (1056, 2112, 1, 1),
        "DBstage4_unit24_conv1_weight": (192, 2160, 1, 1),
        "bn1_gamma": (2208,),
    },
    "efficientnet-lite0": {
        "conv_stem_weight": (32, 3, 3, 3),
        "blocks0_depthwise_conv_weight": (32, 1, 3, 3),
        "blocks0_project_conv_weight": (16, 32, 1, 1),
        "blocks1_expand_conv_weight": (96, 16, 1, 1),
        "blocks3_depthwise_conv_weight": (144, 1, 5, 5),
        "blocks15_bn2_moving_var": (320,),
        "conv_head_weight": (1280, 320, 1, 1),
        "fc_weight": (5270, 1280),
    },
    "efficientnet-lite1": {"blocks20_project_conv_weight": (320, 1152, 1, 1)},
    "efficientnet-lite2": {"blocks4_project_conv_weight": (48, 144, 1, 1), "blocks20_bn2_gamma": (352,)},
    "efficientnet-lite3": {"blocks0_project_conv_weight": (24, 32, 1, 1), "conv_head_weight": (1280, 384, 1, 1)},
    "efficientnet-lite4": {"blocks28_expand_conv_weight": (1632, 272, 1, 1), "conv_head_weight": (1280, 448, 1, 1)},
}

# Two units in a stage, so that both kinds of unit and every stride are met; numbers all different.
SMALL = {
    "resnext": {"family": "resnext", "stem": 5, "units": [2, 1], "filters": [8, 12], "groups": 2, "width": 0.5},
    "se-resnext": {
        "family": "resnext", "stem": 5, "units": [2, 1], "filters": [8, 16], "groups": 4, "width": 1.0, "se_ratio": 0.25
    },
    "dpn": {
        "family": "dpn", "stem": 6, "units": [2, 2], "filters": [8, 16], "increments": [2, 3], "k_r": 4, "groups": 2
    },
    "densenet": {
        "family": "densenet", "stem": 6, "units": [2, 3], "growth": 4, "bottleneck": 3, "compression": 0.5
    },
    "efficientnet-lite": {
        "family": "efficientnet-lite", "stem": 5, "units": [1, 2, 1, 1, 2, 1, 1], "filters": [3, 4, 6, 5, 7, 8, 9],
        "kernels": [3, 3, 5, 3, 5, 5, 3], "head": 11
    },
}  # fmt: skip


def spec_of(config: dict, network: str) -> dict:
    return {key: value for key, value in config["networks"][network].items() if key != "published_images_per_second"}


def shapes(symbol: mx.sym.Symbol, size: int) -> tuple[dict[str, tuple], dict[str, tuple]]:
    """Shapes of learned arrays and moving statistics, by MXNet."""
    arguments, _, auxiliaries = symbol.infer_shape(data=(1, 3, size, size))
    named = dict(zip(symbol.list_arguments(), arguments, strict=True))
    del named["data"]
    return named, dict(zip(symbol.list_auxiliary_states(), auxiliaries, strict=True))


def values(named_shapes: dict[str, tuple]) -> int:
    return sum(int(np.prod(shape)) for shape in named_shapes.values())


def test_every_network_of_the_configuration_is_checked(published_configuration):
    assert set(SIZES) == set(ARRAYS) == set(published_configuration["networks"])


@pytest.mark.parametrize("network", SIZES)
@pytest.mark.parametrize("classes", [1000, PUBLISHED_CLASSES])
def test_arrays_and_values_are_as_many_as_published(published_configuration, network, classes):
    symbol = networks.build(mx.sym, spec_of(published_configuration, network), 180, classes)
    arguments, auxiliaries = shapes(symbol, 180)
    size = SIZES[network]
    assert (len(arguments), len(auxiliaries)) == (size.arguments, size.auxiliaries)
    assert values(arguments) == size.values + (classes - 1000) * (size.features + 1)
    assert values(auxiliaries) == size.moving_values


@pytest.mark.parametrize("size", [41, 180])
@pytest.mark.parametrize("network", [*SIZES, *SMALL])
def test_arrays_are_named_and_shaped_without_mxnet_as_mxnet_does(published_configuration, network, size):
    spec = SMALL.get(network) or spec_of(published_configuration, network)
    found = networks.array_shapes(spec, size, 10)
    assert found == shapes(networks.build(mx.sym, spec, size, 10), size)
    assert networks.parameter_count(spec, size, 10) == values(found[0])


def test_a_picture_that_vanishes_is_told_as_mxnet_would(published_configuration):
    spec = spec_of(published_configuration, "densenet-161")
    networks.array_shapes(spec, 32, 10)
    with pytest.raises(TooSmallError):
        networks.array_shapes(spec, 16, 10)
    with pytest.raises(mx.MXNetError):
        shapes(networks.build(mx.sym, spec, 16, 10), 16)


@pytest.mark.parametrize("network", ARRAYS)
def test_arrays_have_the_names_and_shapes_of_the_public_checkpoints(published_configuration, network):
    symbol = networks.build(mx.sym, spec_of(published_configuration, network), 180, PUBLISHED_CLASSES)
    arguments, auxiliaries = shapes(symbol, 180)
    found = arguments | auxiliaries
    assert {name: found.get(name) for name in ARRAYS[network]} == ARRAYS[network]


def test_squeeze_and_excitation_only_adds_arrays(published_configuration):
    """So a plain ResNeXt's weights, `fc` included, all carry over to it (M09 to M13)."""
    plain, gated = (
        shapes(networks.build(mx.sym, spec_of(published_configuration, name), 180, PUBLISHED_CLASSES), 180)[0]
        for name in ("resnext-101-64x4d", "se-resnext-101-64x4d")
    )
    assert plain.items() <= gated.items()
    added = {name for name in gated if name not in plain}
    assert len(added) == 132
    assert all("_excitation" in name for name in added)


@pytest.mark.parametrize("size", [41, 64])  # odd sides meet every rounding, even ones uneven padding
@pytest.mark.parametrize("name", SMALL)
def test_a_network_computes_what_plain_numpy_computes(name, size):
    spec, classes = SMALL[name], 7
    symbol = networks.build(mx.sym, spec, size, classes)
    generator = np.random.default_rng(0)
    pictures = generator.uniform(0, 255, (2, 3, size, size))
    arguments, auxiliaries = reference_networks.random_arrays(spec, size, classes, generator)
    arrays = arguments | auxiliaries
    found = forward(symbol, arrays, pictures)
    expected = reference_networks.scores(spec, arrays, pictures)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)


def forward(symbol: mx.sym.Symbol, arrays: dict[str, np.ndarray], pictures: np.ndarray) -> np.ndarray:
    executor = symbol.simple_bind(mx.cpu(), data=pictures.shape, grad_req="null")
    for name, array in (executor.arg_dict | executor.aux_dict).items():
        array[:] = pictures if name == "data" else arrays[name]
    return executor.forward(is_train=False)[0].asnumpy()


def test_dropout_stands_between_the_features_and_the_scores_and_only_in_training():
    spec = SMALL["resnext"]
    symbol = networks.build(mx.sym, spec, 41, 7, dropout=0.5)
    layers = [node["name"] for node in json.loads(symbol.tojson())["nodes"] if node["op"] != "null"]
    assert layers[-3:] == ["flatten0", "dropout", "fc"]
    without = networks.build(mx.sym, spec, 41, 7)
    generator = np.random.default_rng(0)
    arguments, auxiliaries = reference_networks.random_arrays(spec, 41, 7, generator)
    arrays, pictures = arguments | auxiliaries, generator.uniform(0, 255, (2, 3, 41, 41))
    np.testing.assert_array_equal(forward(symbol, arrays, pictures), forward(without, arrays, pictures))


@pytest.mark.slow
@pytest.mark.parametrize("network", SIZES)
def test_a_network_of_full_size_learns_from_a_picture(published_configuration, network):
    """Forward and backward of one 180x180 picture with 5,270 classes; peak memory is of the whole process."""
    program = [sys.executable, Path(__file__).with_name("full_size_step.py"), str(PUBLISHED_CLASSES)]
    spec = json.dumps(spec_of(published_configuration, network))
    finished = subprocess.run([*program, spec], capture_output=True, text=True, check=True)
    report = json.loads(finished.stdout)
    print(f"{network}: {report['peak_memory'] / 1e9:.2f} GB, {report['seconds']:.1f} s")
    assert np.isfinite(report["loss"])
    assert report["without_gradient"] == []
    assert report["peak_memory"] < 8e9
